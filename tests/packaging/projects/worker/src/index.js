import { client, validateSpaceToken } from 'kuratchi-spaces';
import { visit } from './visit.js';

export default {
  async fetch(request) {
    const config = await request.json();
    const isGenuine = await validateSpaceToken(config.spaceToken, config.spaceId, 'not the key');
    return Response.json({ ...(await visit(client, config)), isGenuine });
  },
};
