import { client } from 'kuratchi-spaces/spaces';
import { chat } from './chat.js';

try {
  console.log(JSON.stringify(await chat(client, JSON.parse(process.env.SPACE))));
} catch (error) {
  console.log(JSON.stringify({ refusal: error.message }));
}
