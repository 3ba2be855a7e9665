/** The files that a message points to, as links. */
import { fileWords } from '../../shared/words.js';
import { Icon } from './Icon.jsx';

const UNITS = ['B', 'kB', 'MB', 'GB'];

export function Attachments({ files = [] }) {
  if (files.length === 0) return null;
  return (
    <ul className="attachments">
      {files.map(({ url, filename, size }, index) => (
        // Their ids are the sender's to choose, twice the same one too. They do not change places.
        <li key={index}>
          <a href={safe(url)} target="_blank" rel="noopener noreferrer nofollow">
            <Icon name="file" />
            <span dir="auto">{fileWords(filename)}</span>
            <span className="size">{sizeWords(size)}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** The Worker stores no other schemes, and none that cannot be read; a page that shows what others wrote looks again. */
function safe(url) {
  if (!URL.canParse(url, document.baseURI)) return undefined;
  const { protocol } = new URL(url, document.baseURI);
  return protocol === 'http:' || protocol === 'https:' ? url : undefined;
}

function sizeWords(bytes) {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${Number((bytes / 1_000 ** power).toPrecision(3))} ${UNITS[power]}`;
}
