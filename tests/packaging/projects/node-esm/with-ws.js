import { client } from 'kuratchi-spaces';
import { WebSocket } from 'ws';
import { chat } from './chat.js';

delete globalThis.WebSocket;
const config = { ...JSON.parse(process.env.SPACE), webSocket: WebSocket };
console.log(JSON.stringify(await chat(client, config)));
