/** Who is here. */
import { nameInUserId, peopleInList } from '../../shared/words.js';
import { Avatar } from './Avatar.jsx';

export function People({ people, ownId, isOpen }) {
  const named = people.map(({ userId, name = nameInUserId(userId) }) => ({ userId, name }));
  const { listed, othersWords } = peopleInList(named, ownId);
  return (
    <aside id="people" className="people" data-open={isOpen} aria-labelledby="people-heading">
      <h2 id="people-heading">Here now</h2>
      <ul>
        {listed.map(({ userId, name }) => (
          <li key={userId} className="person">
            <Avatar userId={userId} name={name} />
            <span className="person-name" dir="auto">
              {name}
            </span>
            {userId === ownId && <span className="you">(you)</span>}
          </li>
        ))}
        {othersWords && <li className="others">{othersWords}</li>}
      </ul>
    </aside>
  );
}
