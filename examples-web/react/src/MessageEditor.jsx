/** The form in which a message of one's own is written anew, in the place of its bubble. */
import { useEffect, useState } from 'react';
import { isBlank } from '../../shared/texts.js';
import { errorWords } from '../../shared/words.js';
import { useFittingHeight } from './useFittingHeight.js';

/**
 * @param {object} props
 * @param {string} props.before What the message says.
 * @param {(text: string) => Promise<unknown>} props.onSave Gets a text that is new and not blank.
 * @param {() => void} props.onEnd The form is done with: its text is saved or given up.
 */
export function MessageEditor({ before, onSave, onEnd }) {
  const [text, setText] = useState(before);
  const [problem, setProblem] = useState('');
  const field = useFittingHeight(text);
  const wanted = text.trim();

  useEffect(() => {
    const { length } = field.current.value;
    field.current.focus({ preventScroll: true });
    field.current.setSelectionRange(length, length);
  }, [field]);

  const save = () => {
    if (isBlank(wanted)) return;
    if (wanted === before) {
      onEnd();
      return;
    }
    // The row shows what becomes of it from the first moment on; only what can not even wait comes back here.
    onSave(wanted).catch((error) => setProblem(errorWords(error)));
  };
  const handleKey = (event) => {
    // While an input method composes, Enter chooses a word and Escape gives it up.
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Escape') {
      // Escape closes one thing at a time.
      event.stopPropagation();
      onEnd();
    } else if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      save();
    }
  };

  return (
    <form
      className="editor"
      aria-label="Edit message"
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        value={text}
        dir="auto"
        aria-label="New text"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={handleKey}
      />
      <p className="problem" role="alert">
        {problem}
      </p>
      <div className="editor-foot">
        <span className="hint">Enter saves, Escape cancels</span>
        <button type="button" className="quiet" onClick={onEnd}>
          Cancel
        </button>
        <button type="submit" className="primary" aria-disabled={isBlank(wanted)}>
          Save
        </button>
      </div>
    </form>
  );
}
