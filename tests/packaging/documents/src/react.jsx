import { createRoot } from 'react-dom/client';
import { ChatRoom } from '../samples/ChatRoom.tsx';

createRoot(document.getElementById('app')).render(<ChatRoom />);
