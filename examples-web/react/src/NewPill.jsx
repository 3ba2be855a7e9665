/** The way back to the end, with how much is new there. */
import { newMessagesWords } from '../../shared/words.js';
import { Icon } from './Icon.jsx';

export function NewPill({ isAtEnd, count, onPress }) {
  if (isAtEnd) return null;
  return (
    <button type="button" className="new-pill" data-new={count > 0} onClick={onPress}>
      <Icon name="down" />
      {count > 0 ? (
        newMessagesWords(count)
      ) : (
        <span className="visually-hidden">Go to the newest message</span>
      )}
    </button>
  );
}
