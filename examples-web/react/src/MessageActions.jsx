/**
 * What one may do with a message of one's own: edit it, or delete it after being asked once more.
 *
 * The buttons are always there for the keyboard and for screen readers; the style sheet shows them to the eye when a
 * pointer or the focus is near.
 */
import { useEffect, useRef, useState } from 'react';
import { Icon } from './Icon.jsx';

const STEPS = { ArrowUp: -1, ArrowDown: 1 };

export function MessageActions({ isTabStop, focusOn, onChooseStop, onMoveStop, onEdit, onRemove }) {
  const [isAsked, setAsked] = useState(false);
  const box = useRef(null);
  const button = (name) => box.current.querySelector(`[data-action="${name}"]`);

  useEffect(() => {
    if (focusOn) box.current.querySelector(`[data-action="${focusOn}"]`).focus({ preventScroll: true });
  }, [focusOn]);
  useEffect(() => {
    // Not the button that deletes: a key that is held down would press it, too.
    if (isAsked) box.current.querySelector('[data-action="keep"]').focus();
  }, [isAsked]);

  const handleKey = (event) => {
    const step = STEPS[event.key];
    if (isAsked && event.key === 'Escape') {
      event.stopPropagation();
      keep();
    } else if (!isAsked && step !== undefined) {
      event.preventDefault();
      onMoveStop(step, event.target.dataset.action);
    }
  };
  const keep = () => {
    setAsked(false);
    button('remove').focus();
  };
  const tabIndex = isTabStop ? 0 : -1;

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys are those of the buttons in it.
    <div ref={box} className="actions" data-asked={isAsked} onKeyDown={handleKey} onFocus={onChooseStop}>
      <div className="action-buttons">
        <IconButton name="edit" label="Edit message" tabIndex={tabIndex} onPress={onEdit} />
        <IconButton name="remove" label="Delete message" tabIndex={tabIndex} onPress={() => setAsked(true)} />
      </div>
      {isAsked && (
        <fieldset className="question">
          <legend>Delete this for everybody?</legend>
          <button type="button" data-action="keep" className="quiet" onClick={keep}>
            Keep
          </button>
          <button type="button" className="danger" onClick={onRemove}>
            Delete
          </button>
        </fieldset>
      )}
    </div>
  );
}

function IconButton({ name, label, tabIndex, onPress }) {
  return (
    <button
      type="button"
      className="action"
      data-action={name}
      aria-label={label}
      title={label}
      tabIndex={tabIndex}
      onClick={onPress}
    >
      <Icon name={name} />
    </button>
  );
}
