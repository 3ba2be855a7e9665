/**
 * What must compile: the samples of the documentation, and each form of the API as apps write it.
 *
 * Owns nothing but types; it is checked and never run.
 */

import type {
  Attachment,
  ChatErrorCode,
  CreateSpaceOptions,
  EditMessageOptions,
  EnvironmentConfig,
  GetMessagesOptions,
  Message,
  MessageStatus,
  MessageUpdate,
  Participant,
  Persistence,
  SendMessageOptions,
  ShownMessage,
  SpaceClientConfig,
  SpaceConfig,
  SpaceEventHandlers,
  SpaceInstanceConfig,
  SpaceMetadata,
  SpaceSnapshot,
  SpacesEnvironmentConfig,
  Transport,
  TypingStatus,
} from 'kuratchi-spaces';
import * as spaces from 'kuratchi-spaces';
import { spaces as namespace } from 'kuratchi-spaces';

declare const process: { env: Record<string, string | undefined> };

/** The document's server side. */
export async function createChatSession(userId: string) {
  const spaceId = `support-${userId}-${Date.now()}`;
  const spaceToken = await spaces.generateToken(spaceId, {
    gatewayKey: process.env.KURATCHI_GATEWAY_KEY,
  });
  return { spaceId, spaceToken, workerUrl: process.env.KURATCHI_SPACES_WORKER_URL };
}

/** The document's client side. */
export async function chat() {
  const client = spaces.client({
    spaceId: 'support-user123-1699999999',
    spaceToken: 'conversation-abc123.x7k2m9p1.1700000000000.signature',
    gatewayKey: process.env.KURATCHI_GATEWAY_KEY,
    workerUrl: 'https://chat-spaces.yourdomain.com',
    onMessage: (message) => {
      console.log('New message:', message);
    },
    onTyping: (userId, isTyping) => {
      console.log(`${userId} is ${isTyping ? 'typing...' : 'idle'}`);
    },
    onConnectionChange: (connected) => {
      console.log('Connection status:', connected);
    },
  });
  await client.connect();
  await client.sendMessage({ senderId: 'user123', senderType: 'user', text: 'Hello, I need help!' });
  const messages: Message[] = await client.getMessages({ limit: 50 });
  await client.setTyping('user123', true);
  client.disconnect();
  return messages;
}

/** The document's Svelte component, without its markup. */
export class SvelteComponent {
  client: ReturnType<typeof spaces.client> | null = null;
  messages: Message[] = [];

  async onMount() {
    const { spaceId, spaceToken, workerUrl } = await fetch('/api/chat/init').then((r) => r.json());
    this.client = spaces.client({
      spaceId,
      spaceToken,
      gatewayKey: process.env.VITE_SPACES_KEY,
      workerUrl,
      onMessage: (msg) => {
        this.messages = [...this.messages, msg];
      },
    });
    await this.client.connect();
    this.messages = await this.client.getMessages();
  }

  onDestroy() {
    this.client?.disconnect();
  }

  async send(text: string) {
    await this.client?.sendMessage({ senderId: 'current-user-id', senderType: 'user', text });
  }
}

/** Every method, with what it gives. */
export async function everyMethod(client: spaces.KuratchiSpaceClient, signal: AbortSignal) {
  await client.connect({ timeoutMs: 5_000, signal });
  const connected: boolean = client.isConnected();
  const body: SendMessageOptions = { senderId: 'ada', senderType: 'support', text: 'Hi', attachments: null };
  const sent: Message | undefined = (await client.sendMessage(body)) ?? undefined;
  const stored: Message = await client.sendMessage(body, { until: 'stored' });
  const alsoStored: Message = await client.sendMessage({ ...body, until: 'stored' });
  await client.sendMessage({ text: 'the token names me' });
  const files: readonly Attachment[] = [attachment];
  await client.sendMessage({ text: '', attachments: files });
  const options: GetMessagesOptions = { limit: 20, before: stored.createdAt, order: 'desc' };
  await client.getMessages(options);
  const edit: EditMessageOptions = { text: 'Hello' };
  const edited: Message | undefined = (await client.editMessage(stored.id, edit)) ?? undefined;
  const surelyEdited: Message = await client.editMessage(stored.id, edit, { until: 'stored' });
  const alsoEdited: Message = await client.editMessage(stored.id, { ...edit, until: 'stored' });
  const deleted: Message | undefined = (await client.deleteMessage(stored.id)) ?? undefined;
  const leftOver = await client.deleteMessage(stored.id, { until: 'stored' });
  const surelyDeleted: number | undefined = leftOver ? leftOver.deletedAt : undefined;
  const participants: Participant[] = await client.getParticipants();
  const metadata: SpaceMetadata = await client.getMetadata();
  const changed: SpaceMetadata = await client.setMetadata({ topic: 'Invoices', old: null });
  const stop: () => void = client.on('typing', (userId, isTyping) => console.log(userId.length, !isTyping));
  stop();
  client.on('error', ({ code, retryable, field, status }) => console.log(code, retryable, field, status));
  client.on('stateChange', ({ state, transport, retryInMs, retryAt, reason }) =>
    console.log(state === 'offline', transport, retryInMs, (retryAt ?? 0) - Date.now(), reason?.code),
  );
  const transport: Transport | undefined = client.transport ?? client.getSnapshot().transport;
  console.log(transport === 'polling', transport === 'legacy', transport === 'websocket');
  const update = ({ id, status, clientMessageId, error, dropped, editedAt, deletedAt }: MessageUpdate) =>
    console.log(
      id,
      status satisfies MessageStatus,
      clientMessageId,
      error?.code,
      dropped,
      editedAt,
      deletedAt,
    );
  client.on('messageUpdate', update);
  client.on('discontinuity', (reason) => console.log(reason === 'gap'));
  const { subscribe, getSnapshot, getServerSnapshot } = client;
  const unsubscribe = subscribe(() => {});
  unsubscribe();
  const snapshot: SpaceSnapshot = getSnapshot();
  const persistence: Persistence = snapshot.persistence;
  const failed: readonly ShownMessage[] = snapshot.messages.filter(({ status }) => status === 'failed');
  for (const { clientMessageId, error } of failed) {
    if (clientMessageId && error?.retryable) {
      const again: Message | undefined = (await client.retry(clientMessageId)) ?? undefined;
      console.log(again);
    } else if (clientMessageId) {
      await client.discard(clientMessageId);
    }
  }
  await client.clearLocal();
  const users: (string | undefined)[] = snapshot.presence.map((user) => user.name);
  client.close();
  client[Symbol.dispose]();
  return {
    ...{ connected, sent, alsoStored, participants, metadata, changed, users, server: getServerSnapshot() },
    ...{ edited, surelyEdited, alsoEdited, deleted, surelyDeleted, persistence, own: client.persistence },
  };
}

/** `using`, a token function, a WebSocket class and absent values. */
export async function otherConfigs(spaceToken: string | undefined) {
  using client = spaces.client({
    spaceId: '房间',
    spaceToken: async ({ fresh }) => (await fetch(`/token?fresh=${fresh}`)).text(),
    tokenFor: async (spaceId) => (spaceToken ? `${spaceToken}${spaceId}` : null),
    order: 'desc',
    webSocket: WebSocket,
    onMessage: undefined,
  });
  const handlers: SpaceEventHandlers = { onError: (error: Error) => console.log(error.message) };
  const config: SpaceClientConfig = { spaceId: 'a', spaceToken, gatewayKey: undefined, workerUrl: undefined };
  const other: spaces.KuratchiSpaceClient = namespace.client({ ...config, ...handlers });
  new spaces.KuratchiSpaceClient(config).disconnect();
  await client.connect();
  return other;
}

/** Tokens, environment, errors. */
export async function serverSide() {
  const token: string = await spaces.generateToken('a');
  await spaces.generateToken('a', {
    userId: 'ada',
    name: 'Ada',
    role: 'support',
    caps: ['metadata'],
    expiryMs: 1,
  });
  const caps = ['moderate'] as const;
  await spaces.generateToken('a', { caps });
  await spaces.generateSpaceToken('a', 'key', 1_000);
  const good: boolean = await spaces.validateSpaceToken(token, 'a', 'key');
  const environment: SpacesEnvironmentConfig = spaces.getSpacesEnvironment();
  spaces.validateSpacesEnvironment(environment);
  const deployment: EnvironmentConfig = spaces.getDoEnvironment();
  spaces.validateDoEnvironment({ accountId: deployment.accountId });
  const error = new spaces.ChatError('no', { code: 'closed' });
  const code: ChatErrorCode = error.code;
  return { good, code };
}

/** Types that apps use by name. */
export const attachment: Attachment = {
  id: 'f',
  url: '/f',
  filename: 'f',
  contentType: 'text/plain',
  size: 1,
};
export const typing: TypingStatus = { userId: 'ada', lastTypedAt: 0 };
export const instance: SpaceInstanceConfig = { spaceId: 'a', spaceToken: 't', workerUrl: 'https://a' };
export const creation: CreateSpaceOptions = { spaceId: 'a', gatewayKey: 'k', metadata: { topic: 't' } };
export const account: SpaceConfig = { accountId: 'a', apiToken: 't' };
