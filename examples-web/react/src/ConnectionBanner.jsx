/** What to do while there is no connection: wait, try now, or sign in again. */
import { useConnection, useSpace } from 'kuratchi-spaces/react';
import { connectionWords, errorWords, OFFLINE_WORDS } from '../../shared/words.js';
import { useTimeLeft } from './useTimeLeft.js';

/** A pause shorter than this is no news: nobody counts one second down. */
const COUNTDOWN_MS_MIN = 1_500;

/** What a new try with the same session does not mend. */
const NEEDS_SIGN_IN = ['tokenExpired', 'tokenInvalid', 'identityRequired', 'spaceMismatch'];

export function ConnectionBanner({ onSignOut, onDone }) {
  const space = useSpace();
  const { state, retryAt, retryInMs, error } = useConnection();
  const leftMs = useTimeLeft(retryInMs >= COUNTDOWN_MS_MIN ? retryAt : undefined);
  const connect = () => {
    // How it ends is told by the state, as with every other attempt.
    space.connect().catch(() => {});
    onDone();
  };

  if (state === 'offline') return <Banner kind="waiting">{OFFLINE_WORDS}</Banner>;
  if (state === 'reconnecting' || (state === 'connecting' && leftMs !== undefined)) {
    return (
      <Banner kind="waiting" action={leftMs !== undefined && { words: 'Now', run: connect }}>
        {connectionWords(state, leftMs)}
      </Banner>
    );
  }
  if (state !== 'failed') return null;
  const action = NEEDS_SIGN_IN.includes(error?.code)
    ? { words: 'Sign in again', run: onSignOut }
    : { words: 'Try again', run: connect };
  return (
    <Banner kind="bad" role="alert" action={action}>
      {errorWords(error)}
    </Banner>
  );
}

function Banner({ kind, role, action, children }) {
  return (
    <div className="banner" data-kind={kind} role={role}>
      <p>{children}</p>
      {action && (
        <button type="button" className="quiet" onClick={action.run}>
          {action.words}
        </button>
      )}
    </div>
  );
}
