/** What stands above the oldest message while older ones are on their way, or did not come. */
export function HistoryState({ history, older }) {
  const { messages, isLoaded, hasOlder, isLoadingOlder } = history;
  if (older.hasFailed) {
    return (
      <p className="history-state" role="status">
        Older messages could not be loaded.{' '}
        <button type="button" className="link-button" onClick={older.load}>
          Try again
        </button>
      </p>
    );
  }
  if (isLoadingOlder) return <p className="history-state">Loading messages…</p>;
  if (isLoaded && !hasOlder && messages.length === 0) {
    return <p className="history-state empty">Nothing here yet. Say hello!</p>;
  }
  return null;
}
