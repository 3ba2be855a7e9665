/** Who types. */
import { useTyping } from 'kuratchi-spaces/react';
import { nameInUserId, typingWords } from '../../shared/words.js';

export function TypingLine({ ownId }) {
  const { typing } = useTyping();
  const names = typing.filter((userId) => userId !== ownId).map(nameInUserId);
  return (
    <p className="typing" role="status">
      {typingWords(names)}
    </p>
  );
}
