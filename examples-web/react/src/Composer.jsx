/** Where a message is written. A text that becomes nothing is given back, with the reason. */
import { useSend, useSpace } from 'kuratchi-spaces/react';
import { useEffect, useImperativeHandle, useState } from 'react';
import { isBlank } from '../../shared/texts.js';
import { notSentWords } from '../../shared/words.js';
import { Icon } from './Icon.jsx';
import { rememberDraft, rememberedDraft } from './memory.js';
import { useFittingHeight } from './useFittingHeight.js';
import { useTypingSign } from './useTypingSign.js';

export function Composer({ ref, session, spaceId, roomName, onEditLast }) {
  const { userId } = session;
  const space = useSpace();
  const send = useSend();
  const sign = useTypingSign(userId);
  const [text, setText] = useState(() => rememberedDraft({ userId, spaceId }));
  const [problem, setProblem] = useState('');
  const field = useFittingHeight(text);
  useImperativeHandle(ref, () => field.current, [field]);

  useEffect(() => rememberDraft({ userId, spaceId }, text), [userId, spaceId, text]);
  useEffect(() => {
    // Where this would bring up a keyboard of glass, one reads first.
    if (matchMedia('(any-hover: hover)').matches) field.current.focus();
  }, [field]);

  const write = (value) => {
    setText(value);
    setProblem('');
    sign(!isBlank(value));
  };
  const submit = async () => {
    const wanted = text.trim();
    field.current.focus();
    if (isBlank(wanted)) return;
    write('');
    try {
      await send({ senderId: userId, senderType: 'user', text: wanted });
    } catch (error) {
      // What the outbox took over is in the list, with what became of it.
      if (error.code === 'closed' || isShown(space, error)) return;
      setText((since) => (isBlank(since) ? wanted : `${wanted}\n${since}`));
      setProblem(notSentWords(error));
    }
  };
  const handleKey = (event) => {
    // While an input method composes, Enter chooses a word.
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === 'ArrowUp' && text === '' && onEditLast()) {
      event.preventDefault();
    }
  };

  return (
    <form
      className="composer"
      aria-label="Write a message"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <p className="problem" role="alert">
        {problem}
      </p>
      <label className="visually-hidden" htmlFor="composer-text">
        Message
      </label>
      <textarea
        id="composer-text"
        ref={field}
        rows={1}
        value={text}
        placeholder={`Message #${roomName}`}
        dir="auto"
        enterKeyHint="send"
        aria-describedby="composer-hint"
        onChange={(event) => write(event.target.value)}
        onKeyDown={handleKey}
        onBlur={() => sign(false)}
      />
      <button type="submit" className="send" aria-label="Send" aria-disabled={isBlank(text)}>
        <Icon name="send" />
      </button>
      <p id="composer-hint" className="visually-hidden">
        Enter sends; Shift and Enter start a new line; in the empty field, the arrow up edits your last
        message.
      </p>
    </form>
  );
}

function isShown(space, error) {
  return space.getSnapshot().messages.some((message) => message.error?.message === error.message);
}
