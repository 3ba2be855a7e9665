import { StrictMode } from 'react';
import { LongList } from './long-list.jsx';
import { Room } from './room.jsx';
import { Given, Hidden, Suspended, Talk, TwoRooms } from './scenes.jsx';

const SCENES = {
  room: Room,
  given: Given,
  suspended: Suspended,
  hidden: Hidden,
  two: TwoRooms,
  talk: Talk,
  long: LongList,
};

/** One scene; `loose` leaves StrictMode out. */
export function App({ query }) {
  const Scene = SCENES[query.scene ?? 'room'];
  const scene = <Scene query={query} />;
  return query.loose ? scene : <StrictMode>{scene}</StrictMode>;
}
