/** Who is here. */
import { nameInUserId } from '../../shared/words.js';
import { Avatar } from './Avatar.jsx';

export function People({ people, ownId, isOpen }) {
  const rows = people
    .map(({ userId, name = nameInUserId(userId) }) => ({ userId, name, isOwn: userId === ownId }))
    .sort((a, b) => Number(b.isOwn) - Number(a.isOwn) || a.name.localeCompare(b.name));
  return (
    <aside id="people" className="people" data-open={isOpen} aria-labelledby="people-heading">
      <h2 id="people-heading">Here now</h2>
      <ul>
        {rows.map(({ userId, name, isOwn }) => (
          <li key={userId} className="person">
            <Avatar userId={userId} name={name} />
            <span className="person-name" dir="auto">
              {name}
            </span>
            {isOwn && <span className="you">(you)</span>}
          </li>
        ))}
      </ul>
    </aside>
  );
}
