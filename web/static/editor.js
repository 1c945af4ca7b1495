// A text area with line numbers and a mark at one place.
import { html, useLayoutEffect, useRef } from "./html.js";

// `mark` is { line, column }, both from 1 and columns counting characters, or null.
export function Editor({ text, onInput, mark, describedBy, areaRef }) {
  const gutter = useRef(null);
  const backdrop = useRef(null);
  const follow = () => {
    const area = areaRef.current;
    gutter.current.scrollTop = area.scrollTop;
    backdrop.current.scrollTop = area.scrollTop;
    backdrop.current.scrollLeft = area.scrollLeft;
  };
  useLayoutEffect(follow);

  const lines = text.split("\n");
  const range = mark && wordAt(text, offsetOf(text, mark));
  return html`<div class="editor mono">
    <div class="editor-gutter" ref=${gutter} aria-hidden="true">
      ${lines.map((_, index) => html`<span key=${index} class=${mark?.line === index + 1 ? "tone-bad" : ""}>${index + 1}</span>`)}
    </div>
    <div class="editor-page">
      <pre class="editor-backdrop" ref=${backdrop} aria-hidden="true">${range && html`${text.slice(0, range[0])}<mark>${text.slice(...range) || " "}</mark>${text.slice(range[1])}`}${"\n "}</pre>
      <textarea ref=${areaRef} class="editor-text" aria-label="SQL" aria-describedby=${describedBy} aria-invalid=${mark ? "true" : "false"}
        spellcheck="false" autocomplete="off" autocapitalize="off" wrap="off" value=${text}
        onInput=${(event) => onInput(event.target.value)} onScroll=${follow}></textarea>
    </div>
  </div>`;
}

// Where a place is in the text; characters beyond the Basic Multilingual Plane count once there and twice here.
export function offsetOf(text, { line, column }) {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  const within = [...(lines[line - 1] ?? "")].slice(0, column - 1).join("").length;
  return Math.min(before + within, text.length);
}

function wordAt(text, offset) {
  const word = text.slice(offset).match(/^(\w+|'[^'\n]*'?|`[^`\n]*`?|[^\s])?/)[0];
  return [offset, offset + word.length];
}
