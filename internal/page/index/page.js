'use strict';
const $ = (id) => document.getElementById(id);
const opened = Date.now(), minute = 6e4, hour = 60 * minute, day = 24 * hour;
const said = $('headline').textContent;
const onWeb = location.protocol.startsWith('http');

// span says a length of time in the largest unit that fits.
function span(ms) {
  const [unit, n] = ms < 2 * minute ? ['minute', Math.round(ms / minute)] : ms < 1.5 * hour ? ['minute', Math.floor(ms / minute)]
    : ms < 2 * day ? ['hour', Math.floor(ms / hour)] : ['day', Math.floor(ms / day)];
  return n.toLocaleString('en') + ' ' + unit + (n === 1 ? '' : 's');
}
function ago(ms) { return ms < minute ? 'just now' : span(ms) + ' ago'; }

// Times are written as they are; beside them stands how long ago that was.
for (const time of document.querySelectorAll('time[data-ago]')) {
  time.title = time.textContent;
  if (!time.dataset.ago) {
    const beside = document.createElement('b');
    time.after(' (', beside, ')');
    time.beside = beside;
  }
}
function tick() {
  const now = Date.now();
  for (const time of document.querySelectorAll('time[data-ago]')) {
    const ms = now - Date.parse(time.dateTime);
    if (ms > -5 * minute) (time.beside || time).textContent = ago(ms);
    else if (time.beside) time.beside.textContent = 'by your clock, still to come';
  }
  for (const left of document.querySelectorAll('[data-until]')) {
    const ms = Date.parse(left.dataset.until) - now;
    left.textContent = ms < 0 ? 'expired ' + ago(-ms) : span(ms) + ' left';
  }
  judge(now);
}

// A mirror whose runs no longer start cannot write that it is out of date, so the
// reader's clock tells.
function judge(now) {
  const health = $('health'), since = now - Date.parse(health.dataset.checked);
  let text = '';
  if (now - opened > hour) text = 'This page was opened ' + ago(now - opened) + '. Load it again to see how the mirror is now.';
  else if (since > 3 * hour) {
    health.classList.replace('good', 'stale');
    health.classList.replace('look', 'stale');
    health.classList.replace('filling', 'stale');
    text = 'Then it said: “' + said + '”';
    $('headline').textContent = 'The last check was ' + ago(since) + ': this mirror may be out of date.';
  }
  if ($('stale').textContent !== text) $('stale').textContent = text;
  $('stale').hidden = !text;
}
tick();
setInterval(tick, minute);
document.addEventListener('visibilitychange', tick);

// The mirror is where this page is.
if (onWeb) for (const here of document.querySelectorAll('.here')) here.textContent = new URL('.', location.href).href;
else if (document.querySelector('.here')) $('from-file').hidden = false;

// copy works without a secure connection as well, by way of the selection.
async function copy(code) {
  if (navigator.clipboard) {
    try { return await navigator.clipboard.writeText(code.textContent), true; } catch { /* not allowed: the other way */ }
  }
  getSelection().selectAllChildren(code);
  return document.execCommand('copy');
}
for (const button of document.querySelectorAll('.copy')) {
  const word = button.firstChild;
  button.hidden = false;
  button.addEventListener('click', async () => {
    const done = await copy(button.closest('.block').querySelector('code'));
    word.data = done ? 'Copied' : 'Selected';
    $('said').textContent = word.data;
    setTimeout(() => { word.data = 'Copy'; $('said').textContent = ''; }, 3000);
  });
}

// The search reads all names when it is first used.
const query = $('query'), results = $('results'), shown = 10;
let names, loading, active = -1;
$('search').hidden = false;

async function load() {
  if (!onWeb) throw new Error('The search needs a web server; this page was opened from a file.');
  const answer = await fetch('names.json').catch(() => { throw new Error('names.json could not be fetched. Try again in a moment.'); });
  if (answer.status === 404 || answer.status === 403) throw new Error('This mirror has no list of names yet; it is made once a week.');
  if (!answer.ok) throw new Error('names.json could not be fetched: the server answered ' + answer.status + '.');
  names = Object.entries(await answer.json()).map(([name, version]) => ({ name, version: String(version), lower: name.toLowerCase() }));
}

// find returns the best names for what was typed, and how many there are.
function find(text) {
  const ranks = [[], [], [], []];
  let count = 0;
  for (const entry of names) {
    const i = entry.lower.indexOf(text);
    if (i < 0) continue;
    const rank = ranks[entry.lower === text ? 0 : i === 0 ? 1 : entry.lower[i - 1] === '-' ? 2 : 3];
    if (rank.length < shown) rank.push(entry);
    count++;
  }
  return [ranks.flat().slice(0, shown), count];
}
function link(text, path) {
  const a = document.createElement('a');
  a.href = path.split('/').map(encodeURIComponent).join('/');
  a.textContent = text;
  return a;
}
function paths(e) {
  const release = 'package/' + e.name + '-' + e.version;
  return [['.cabal file', release + '/' + e.name + '.cabal'], ['tarball', release + '.tar.gz'], ['digests', release + '.json']];
}
function option(entry, i) {
  const a = link('', paths(entry)[0][1]);
  for (const text of [entry.name, entry.version]) a.appendChild(document.createElement('span')).textContent = text;
  a.insertBefore(document.createTextNode(' '), a.lastChild);
  a.id = 'result-' + i;
  a.tabIndex = -1;
  a.entry = entry;
  a.setAttribute('role', 'option');
  a.setAttribute('aria-selected', 'false');
  return a;
}
function show(text) {
  const [best, count] = text && names ? find(text) : [[], 0];
  results.replaceChildren(...best.map(option));
  results.hidden = !best.length;
  query.setAttribute('aria-expanded', String(best.length > 0));
  $('found').textContent = !text ? '' : !count ? 'No package here has this in its name.'
    : (count === 1 ? '1 package' : count.toLocaleString('en') + ' packages') + (count > shown ? ', the first ' + shown + ' shown' : '');
  activate(-1);
}
// activate marks a result, or none, and names its files.
function activate(i) {
  const all = results.children, of = all[i] || all[0];
  if (all[active]) all[active].setAttribute('aria-selected', 'false');
  active = i;
  if (all[i]) {
    all[i].setAttribute('aria-selected', 'true');
    query.setAttribute('aria-activedescendant', all[i].id);
  } else query.removeAttribute('aria-activedescendant');
  $('pick').hidden = !of;
  if (!of) return;
  $('pick').textContent = 'Files of ' + of.entry.name + ' ' + of.entry.version + ': ';
  paths(of.entry).forEach(([text, path], n) => $('pick').append(n ? ', ' : '', link(text, path)));
}
async function search() {
  const text = query.value.trim().toLowerCase().replace(/\s+/g, '-');
  if (!names && text) {
    $('found').textContent = 'Reading the names…';
    try { await (loading = loading || load()); } catch (error) {
      loading = undefined;
      $('found').textContent = error.message;
      return;
    }
    return search();
  }
  show(text);
}
query.addEventListener('input', search);
query.addEventListener('keydown', (event) => {
  const last = results.children.length - 1;
  if (event.key === 'ArrowDown') activate(active < last ? active + 1 : 0);
  else if (event.key === 'ArrowUp') activate(active > 0 ? active - 1 : last);
  else if (event.key === 'Enter' && last >= 0) results.children[Math.max(active, 0)].click();
  else if (event.key === 'Escape') { query.value = ''; show(''); } else return;
  event.preventDefault();
});
