// The page of a running topology: pictures by long polling, states and consoles by server-sent events, everything else by POST.
"use strict";

const $ = (id) => document.getElementById(id);
const PANEL = 4096;                    // steps of a touch screen each way
const MOVE_MS = 20;                    // between two moves of the pen
const POINTS = 32;                     // places of the pen in one request
const KEPT = 40000;                    // characters of a console
const canvas = $("screen"), brush = canvas.getContext("2d");
const consoles = new Map(), fresh = new Set();
let display = "", touch = "", touches = [], displays = [], shown = "", before = null, over = false;

// ---- saying something

async function post(place, what) {
  const answer = await fetch(place, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(what) });
  if (!answer.ok) complain((await answer.text()).trim() || answer.statusText);
  return answer;
}

let quiet = 0;
function complain(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = false;
  clearTimeout(quiet);
  if (!over) quiet = setTimeout(() => { $("trouble").hidden = true; }, 4000);
}

function end(text) {
  over = true;
  events.close();
  $("notice").textContent = text;
  $("notice").className = "over";
  $("notice").hidden = false;
  for (const button of document.querySelectorAll("td button")) button.disabled = true;
}

// ---- the picture

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const painted = [];

async function watch() {
  let seen = 0, of = display;
  while (!over) {
    if (of !== display) { of = display; seen = 0; }
    try {
      const answer = await fetch(`frame?display=${encodeURIComponent(of)}&seen=${seen}`);
      if (answer.status === 200) {
        const picture = await createImageBitmap(await answer.blob());
        seen = Number(answer.headers.get("X-Serial"));
        if (of === display) paint(picture);
      } else if (answer.status !== 204) {
        if (answer.status === 410) return;
        await pause(1000);
      }
    } catch { await pause(1000); }
  }
}

function paint(picture) {
  const off = picture.width <= 16 && picture.height <= 1;    // a controller that nobody has set up
  $("notice").textContent = "the display is off";
  $("notice").hidden = !off;
  if (off) return;
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    canvas.width = picture.width;
    canvas.height = picture.height;
  }
  brush.drawImage(picture, 0, 0);
  painted.push(performance.now());
}

setInterval(() => {
  const since = performance.now() - 2000;
  while (painted.length && painted[0] < since) painted.shift();
  $("rate").textContent = display ? `${display}  ${canvas.width} × ${canvas.height}  ${(painted.length / 2).toFixed(0)} pictures/s` : "";
}, 500);

$("save").onclick = () => canvas.toBlob((blob) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${display || "screen"}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});

// ---- the pen: one request at a time, so that places come in their order

const path = [];
let telling = false, down = false, moved = 0;

async function tell() {
  if (telling) return;
  telling = true;
  try {
    while (path.length) await post("touch", { device: touch, points: path.splice(0, POINTS) });
  } finally { telling = false; }
}

function place(event, isDown) {
  const box = canvas.getBoundingClientRect();
  const on = (part) => Math.min(Math.max(Math.floor(part * PANEL), 0), PANEL - 1);
  path.push([on((event.clientX - box.left) / box.width), on((event.clientY - box.top) / box.height), isDown ? 1 : 0]);
  tell();
}

canvas.addEventListener("pointerdown", (event) => {
  if (!touch || event.button !== 0 || !event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.add("down");
  down = true;
  place(event, true);
  event.preventDefault();
});
canvas.addEventListener("pointermove", (event) => {
  if (!down || !event.isPrimary || event.timeStamp - moved < MOVE_MS) return;
  moved = event.timeStamp;
  place(event, true);
});
for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, (event) => {
    if (!down || !event.isPrimary) return;
    down = false;
    canvas.classList.remove("down");
    place(event, false);
  });
}

// ---- the cells

function states(status) {
  const now = performance.now(), time = status.now / status.hz;
  $("name").textContent = document.title = status.name;
  $("about").textContent = `${status.flavour} on ${status.board}`;
  let text = `virtual time ${time.toFixed(3)} s`;
  if (before) text += `  ${((time - before.time) / (now - before.at) * 1000).toFixed(2)}× real time`;
  $("time").textContent = text;
  const elapsed = before ? status.now - before.now : 0;
  for (const cell of status.cells) {
    const row = rowOf(cell.name), part = row.children;
    const ran = cell.ran - (before && before.ran[cell.name] || 0);
    part[1].firstChild.textContent = cell.state;
    part[1].firstChild.className = `state ${cell.state.replace(/ .*/, "")}`;
    part[1].title = cell.why;
    part[2].textContent = elapsed > 0 ? `${(100 * ran / elapsed / status.cores.length).toFixed(1)}%` : "";
    part[3].textContent = cell.switches.toLocaleString("en");
    part[4].textContent = cell.interrupts.toLocaleString("en");
    part[5].textContent = cell.restarts + 1;
    const ended = ["failed", "shut down"].includes(cell.state), [hold, kill] = part[6].children;
    hold.textContent = cell.state === "paused" ? "unpause" : "pause";
    hold.disabled = kill.disabled = ended;
  }
  before = { at: now, time, now: status.now, ran: Object.fromEntries(status.cells.map((cell) => [cell.name, cell.ran])) };
}

function rowOf(name) {
  const id = `cell-${name}`;
  if ($(id)) return $(id);
  const row = $("cells").insertRow();
  row.id = id;
  for (let at = 0; at < 7; at++) row.insertCell();
  row.cells[0].textContent = name;
  row.cells[1].append(document.createElement("span"));
  for (const verb of ["pause", "kill", "restart"]) {
    const button = document.createElement("button");
    button.textContent = button.className = verb;
    button.onclick = () => post("order", { verb: button.textContent, cell: name });
    row.cells[6].append(button);
  }
  return row;
}

// ---- the consoles

function said({ cell, text, whole }) {
  if (!consoles.has(cell)) {
    consoles.set(cell, "");
    const tab = document.createElement("button");
    tab.id = `tab-${cell}`;
    tab.textContent = cell;
    tab.setAttribute("role", "tab");
    tab.onclick = () => { show(cell); $("typed").focus(); };
    $("tabs").append(tab);
  }
  consoles.set(cell, typeset(whole ? "" : consoles.get(cell), text).slice(-KEPT));
  if (text && cell !== shown) $(`tab-${cell}`).classList.add("news");
  if (!shown || (whole && text && !consoles.get(shown))) show(cell);
  else if (cell === shown) scroll();
}

function show(cell) {
  shown = cell;
  for (const tab of $("tabs").children) tab.setAttribute("aria-selected", tab.id === `tab-${cell}`);
  $(`tab-${cell}`).classList.remove("news");
  $("prompt").textContent = `${cell} ›`;
  scroll(true);
}

function scroll(always) {
  const pane = $("console"), last = pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40;
  pane.textContent = consoles.get(shown);
  if (last || always) pane.scrollTop = pane.scrollHeight;
}

// What a terminal would do with the text, as far as a list of lines can: colours and cursors are left out, a line may be begun anew.
function typeset(old, text) {
  const plain = text.replace(/\x1b(?:\[[0-?]*[ -\/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -\/]*[0-~])/g, "").replace(/\r+\n/g, "\n");
  let done = old;
  for (const part of plain.split(/([\r\b])/)) {
    if (part === "\r") done = done.slice(0, done.lastIndexOf("\n") + 1);
    else if (part === "\b") done = done.endsWith("\n") ? done : done.slice(0, -1);
    else done += part.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, "");
  }
  return done;
}

$("line").onsubmit = (event) => {
  event.preventDefault();
  if (shown) post("type", { cell: shown, data: `${$("typed").value}\n` });
  $("typed").value = "";
};
$("typed").onkeydown = (event) => {
  const key = { c: "\x03", d: "\x04", z: "\x1a" }[event.key];
  if (!event.ctrlKey || !key || !shown || $("typed").selectionStart !== $("typed").selectionEnd) return;
  event.preventDefault();
  post("type", { cell: shown, data: key });
};

// ---- what happens

const events = new EventSource("events");
const on = (kind, take) => events.addEventListener(kind, (event) => take(JSON.parse(event.data)));
on("displays", (there) => {
  ({ displays, touches } = there);
  if (!display) {
    choose(Math.max(displays.findIndex((one) => one.on), 0));
    if (display) watch();
    else { $("notice").textContent = "the board has no display"; $("notice").hidden = false; }
  }
  $("displays").hidden = displays.length < 2;
  $("displays").replaceChildren(...displays.map((one) => new Option(one.name, one.name, false, one.name === display)));
});
function choose(at) {
  display = displays.length ? displays[at].name : "";
  touch = touches.length ? touches[Math.min(at, touches.length - 1)] : "";
}
$("displays").onchange = (event) => choose(event.target.selectedIndex);
on("status", states);
on("console", said);
on("end", () => end("the run has ended"));
events.onerror = () => { if (!over) complain("the run does not answer"); };
events.onopen = () => { if (!over) $("trouble").hidden = true; };
