// Elements, words and times.

/** Make an element: properties, then children (text or elements). */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Set text only where it differs, so that nothing is read out or selected anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keep one child for each item: those that stay are updated in place, so that focus stays where it is.
 * begin(item) makes an element, update(element, item) fills it.
 */
export function keep(parent, items, keyOf, begin, update) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const item of items) {
    const key = String(keyOf(item));
    let element = there.get(key);
    there.delete(key);
    if (!element) {
      element = begin(item);
      element.dataset.key = key;
    }
    update(element, item);
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== element) parent.insertBefore(element, place);
    before = element;
  }
  for (const gone of there.values()) gone.remove();
}

/** Say something to those who do not see the page. */
export function say(text) {
  const place = document.getElementById("said");
  place.textContent = "";
  setTimeout(() => (place.textContent = text), 50);
}

const STATES = { upright: "upright", falling: "falling", on_floor: "on the floor", cannot_judge: "posture unclear" };

export function stateWords(state) {
  return STATES[state] || "";
}

export function words(kind) {
  const text = kind.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** An event's words without what stands beside them anyway: its kind and time. */
export function reasons(event) {
  const text = event.text.replace(/^[a-z ]+ at [\d.]+ s: /, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function who(person) {
  return person === null || person === undefined ? "somebody" : `person ${person}`;
}

/** When an event was: by the clock, or on a file's own time. */
export function when(event) {
  if (event.wall === null) return `${event.start.toFixed(1)} s`;
  return clockTime(event.wall);
}

export function clockTime(seconds) {
  const date = new Date(1000 * seconds);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.toLocaleDateString([], { day: "numeric", month: "short" })} ${time}`;
}

export function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} days`;
}
