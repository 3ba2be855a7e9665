/** What the reader should know once: that messages may be missing, and how far unsent ones reach. */
import { useConnection, useMessages, useSpace } from 'kuratchi-spaces/react';
import { useEffect, useState } from 'react';
import { persistenceWords } from '../../shared/words.js';

const MISSING = {
  gap: 'You were away for long: the newest messages are here, older ones come as you scroll up.',
  reset: 'This room began anew: what stood here before may be gone.',
  unreadable: 'Some messages could not be read; the newest were loaded again.',
};

export function Notices() {
  const space = useSpace();
  const [missing, setMissing] = useState();
  useEffect(() => space.on('discontinuity', setMissing), [space]);
  const hint = useUnsentHint();
  return (
    <div role="status">
      {missing && (
        <div className="banner" data-kind="note">
          <p>{MISSING[missing]}</p>
          <button type="button" className="quiet" onClick={() => setMissing(undefined)}>
            OK
          </button>
        </div>
      )}
      {hint && (
        <div className="banner" data-kind="note">
          <p>{hint}</p>
        </div>
      )}
    </div>
  );
}

/** Where unsent messages wait, if that is less far than one would think. */
function useUnsentHint() {
  const { connected, persistence } = useConnection();
  const { messages } = useMessages();
  const words = persistenceWords(persistence);
  if (words === '') return '';
  // On a connection nothing waits for long.
  const lasts = ({ status }) => status === 'failed' || (status === 'pending' && !connected);
  return messages.some(lasts) ? words : '';
}
