import { spaces as named } from 'kuratchi-sdk';
import * as spaces from 'kuratchi-sdk/spaces';
import { WebSocket } from 'ws';
import { chat } from './chat.js';

const config = { ...JSON.parse(process.env.SPACE), webSocket: WebSocket };
const told = await chat(spaces.client, config);
console.log(JSON.stringify({ ...told, isSame: named.client === spaces.client }));
