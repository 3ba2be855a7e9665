import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Chat } from './Chat.jsx';

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <Chat config={config} />
  </StrictMode>,
);
