import * as spaces from 'kuratchi-sdk/spaces';
import type { Message } from 'kuratchi-sdk/spaces';
import { useEffect, useState } from 'react';

export function ChatRoom() {
  const [client, setClient] = useState<ReturnType<typeof spaces.client> | null>(null);
  const [messages, setMessages] = useState<Message[]>([]);
  const [input, setInput] = useState('');
  
  useEffect(() => {
    async function init() {
      const { spaceId, spaceToken, workerUrl } = await fetch('/api/chat/init').then(r => r.json());
      
      const c = spaces.client({
        spaceId,
        spaceToken,
        gatewayKey: process.env.NEXT_PUBLIC_SPACES_KEY!,
        workerUrl,
        onMessage: (msg) => setMessages(prev => [...prev, msg])
      });
      
      await c.connect();
      const history = await c.getMessages();
      setMessages(history);
      setClient(c);
    }
    
    init();
    return () => client?.disconnect();
  }, []);
  
  const send = async () => {
    await client?.sendMessage({
      senderId: 'current-user-id',
      senderType: 'user',
      text: input
    });
    setInput('');
  };
  
  return (
    <div>
      {messages.map(m => <div key={m.id}>{m.text}</div>)}
      <input value={input} onChange={e => setInput(e.target.value)} />
      <button onClick={send}>Send</button>
    </div>
  );
}
