/**
 * The app's server: `/api/chat/init` tells the page about a chat session, which the document's own snippet makes.
 * `/api/chat/new` begins another one.
 */
import { createServer } from 'node:http';
// The snippet without its types.
import { createChatSession } from './server.mjs';

let session = await createChatSession('user123');

createServer(async (request, response) => {
  if (request.url === '/api/chat/new') session = await createChatSession('user123');
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(session));
}).listen(Number(process.env.PORT), '127.0.0.1');
