'use client';

// The component of the SDK's documentation, as it stands there: the test puts it here.
import { ChatRoom } from './ChatRoom';

export default function Page() {
  return <ChatRoom />;
}
