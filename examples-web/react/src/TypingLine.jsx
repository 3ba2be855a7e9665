/** Who types, of those who are here: anybody with a token that names nobody can say that somebody else does. */
import { usePresence, useTyping } from 'kuratchi-spaces/react';
import { nameInUserId, typingWords } from '../../shared/words.js';

export function TypingLine({ ownId }) {
  const { typing } = useTyping();
  const here = new Set(usePresence().map(({ userId }) => userId));
  const names = typing.filter((userId) => userId !== ownId && here.has(userId)).map(nameInUserId);
  return (
    <p className="typing" role="status">
      {typingWords(names)}
    </p>
  );
}
