'use strict';
(() => {
  // A link to a release opens what it is folded into.
  const reveal = () => {
    let at;
    try { at = document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { /* no id */ }
    at ||= document.getElementById(location.hash.slice(1));
    if (!at) return;
    for (let p = at; p; p = p.parentElement) if (p.tagName === 'DETAILS') p.open = true;
    at.scrollIntoView();
  };
  addEventListener('hashchange', reveal);
  if (location.hash) reveal();

  const said = document.getElementById('page:said');
  const select = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copy = async (button, code) => {
    let done = true;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      select(code);
      done = document.execCommand('copy');
    }
    button.textContent = done ? 'Copied' : 'Selected';
    said.textContent = done ? 'Copied' : 'Selected: copy it with the keyboard';
    setTimeout(() => { button.textContent = 'Copy'; said.textContent = ''; }, 2000);
  };
  const label = (code) => {
    if (code.classList.contains('install')) return 'Copy the command that installs it';
    if (code.className === 'pull') return 'Copy the docker pull command';
    const name = code.parentElement.querySelector('bdi');
    return name ? 'Copy the SHA-256 of ' + name.textContent : 'Copy the digest of the image';
  };
  for (const code of document.querySelectorAll('code.sum, code.pull')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.setAttribute('aria-label', label(code));
    button.addEventListener('click', () => copy(button, code));
    const line = document.createElement('span');
    line.className = 'copy';
    code.replaceWith(line);
    line.append(code, button);
  }
})();
