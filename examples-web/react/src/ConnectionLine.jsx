/** What the connection does, in two words for the eye, and for the ear what has become different for long. */
import { useConnection } from 'kuratchi-spaces/react';
import { useEffect, useState } from 'react';
import { connectionSpeech, connectionWords } from '../../shared/words.js';

/** A loss that is over sooner is not announced. */
const LASTING_MS = 1_000;

export function ConnectionLine() {
  const { state } = useConnection();
  const [speech, setSpeech] = useState('');
  useEffect(() => {
    const words = connectionSpeech(state);
    if (words === undefined) return undefined;
    const timer = setTimeout(() => setSpeech(words), state === 'connected' ? 0 : LASTING_MS);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <>
      <p className="connection" data-state={state}>
        <span className="dot" aria-hidden="true" />
        <span className="connection-words">{connectionWords(state)}</span>
      </p>
      <p className="visually-hidden" role="status">
        {speech}
      </p>
    </>
  );
}
