import * as spaces from 'kuratchi-sdk/spaces';

// Create a space client
const client = spaces.client({
  spaceId: 'support-user123-1699999999',
  spaceToken: 'conversation-abc123.x7k2m9p1.1700000000000.signature',
  gatewayKey: process.env.KURATCHI_GATEWAY_KEY!,
  workerUrl: 'https://chat-spaces.yourdomain.com',
  
  // Event handlers
  onMessage: (message) => {
    console.log('New message:', message);
  },
  onTyping: (userId, isTyping) => {
    console.log(`${userId} is ${isTyping ? 'typing...' : 'idle'}`);
  },
  onConnectionChange: (connected) => {
    console.log('Connection status:', connected);
  }
});

// Connect via WebSocket
await client.connect();

// Send a message
await client.sendMessage({
  senderId: 'user123',
  senderType: 'user',
  text: 'Hello, I need help!'
});

// Get message history
const messages = await client.getMessages({ limit: 50 });

// Update typing status
await client.setTyping('user123', true);

// Disconnect when done
client.disconnect();
