import { useMessages, useSpace } from 'kuratchi-spaces/react';
import { memo } from 'react';
import { VList } from 'virtua';
import { countRender } from './counting.js';

const Row = memo(function Row({ message }) {
  countRender('row');
  return <div className="row">{message.text}</div>;
});

/** All messages of a space in a list that shows the part one sees. */
export function LongList({ query }) {
  const { spaceId, spaceToken, workerUrl } = query;
  const space = useSpace({ spaceId, spaceToken, workerUrl });
  const { messages, hasOlder, loadOlder } = useMessages(space);
  globalThis.page.space = space;
  globalThis.page.loadAll = async () => {
    while (space.getSnapshot().hasOlder) {
      await loadOlder({ limit: 1_000 });
    }
  };
  return (
    <>
      <p id="count" data-older={hasOlder}>
        {messages.length}
      </p>
      <VList id="list" style={{ height: 600 }} data={messages} ref={(list) => (globalThis.page.list = list)}>
        {(message) => <Row key={message.key ?? message.id} message={message} />}
      </VList>
    </>
  );
}
