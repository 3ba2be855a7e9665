import { useEffect, useState } from 'react';
import { Chat } from './Chat.jsx';

/** What is behind the hash is known in the browser alone. */
export default function Island() {
  const [config, setConfig] = useState();
  useEffect(() => setConfig(JSON.parse(decodeURIComponent(location.hash.slice(1)))), []);
  return config ? <Chat config={config} /> : null;
}
