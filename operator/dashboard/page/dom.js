/** Elements, and the least change that makes the page look like new ones: focus, scroll and what is open stay. */

/** An element. `data` and `style` are objects; null and false children are left out. Text is never taken for markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
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

/** Makes the children of `place` like those given. */
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
  // What a person did to it, or what draws itself, is not ours to change.
  if (old.hasAttribute('data-own')) return;
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && name !== 'open' && name !== 'style') old.removeAttribute(name);
  for (const { name, value } of fresh.attributes)
    if (name !== 'open' && name !== 'style' && old.getAttribute(name) !== value)
      old.setAttribute(name, value);
  // By the object model: the policy of the page admits no style attribute.
  if (old.style.cssText !== fresh.style.cssText) old.style.cssText = fresh.style.cssText;
  morphChildren(old, fresh);
}
