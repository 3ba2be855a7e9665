import { client, generateToken } from 'kuratchi-spaces';
import { client as inline } from 'kuratchi-spaces/inline';
import { deploy } from 'kuratchi-spaces/server';
import { validateSpaceToken } from 'kuratchi-spaces/spaces';

const space = client({
  spaceId: 'support-7',
  spaceToken: await generateToken('support-7', { userId: 'ada' }),
});
const others: (typeof space)[] = [inline({ spaceId: 'support-7', wasm: new URL('file:///client.wasm') })];

// Were the types not found, this would be `any` and no error.
// @ts-expect-error: an id is a string.
client({ spaceId: 7 });

export { deploy, others, validateSpaceToken };
