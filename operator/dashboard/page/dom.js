/** Creates elements, and updates the page with minimal changes, so that focus, scroll position and open details are kept. */

/** Creates an element. `style` is an object; null and false children are omitted. Text is never parsed as markup. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Creates an element of a picture. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'style')
      for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(
    ...children.flat(9).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

/** Updates the children of `place` to match the given ones. */
export function show(place, ...children) {
  const fresh = h('div', {}, children);
  morphChildren(place, fresh);
}

function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  wanted.forEach((node, index) => {
    const is = old.childNodes[index];
    if (!is) old.append(node);
    else if (isAlike(is, node)) morph(is, node);
    else is.replaceWith(node);
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

const isAlike = (a, b) =>
  a.nodeName === b.nodeName &&
  (a.nodeType !== 1 || a.getAttribute('data-key') === b.getAttribute('data-key'));

function morph(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // Elements that the user or a chart changes are not updated.
  if (old.hasAttribute('data-own')) return;
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && name !== 'open' && name !== 'style') old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (name !== 'open' && name !== 'style' && old.getAttribute(name) !== value)
      old.setAttribute(name, value);
  // Set through CSSOM: the Content-Security-Policy allows no style attributes.
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  morphChildren(old, fresh);
}
