import { spaces as named } from 'kuratchi-sdk';
import * as spaces from 'kuratchi-sdk/spaces';

// One module behind both: what one of them made, the other takes.
globalThis.isOneModule = Object.entries(spaces).every(([name, value]) => named[name] === value);
