// Terminals of @xterm/headless, driven by lines of JSON; found through NODE_PATH, with @xterm/addon-unicode11.
// {id, columns, lines} makes one or resizes it; {id, data} writes; {id, look} prints cells and cursor; {id, gone} drops it.
const { createInterface } = require("readline");
const { Terminal } = require("@xterm/headless");
const { Unicode11Addon } = require("@xterm/addon-unicode11");

const terminals = new Map();

function made(columns, lines) {
  const terminal = new Terminal({ cols: columns, rows: lines, scrollback: 1000, allowProposedApi: true });
  terminal.loadAddon(new Unicode11Addon());
  terminal.unicode.activeVersion = "11";
  return terminal;
}

// xterm.js 6.0.0 keeps what it cuts off on the alternate screen, and DCH brings it back from behind the edge.
function resize(terminal, columns, lines) {
  terminal.resize(columns, lines);
  const { alt } = terminal._core._bufferService.buffers;
  for (let y = 0; y < alt.lines.length; y++) alt.lines.get(y).resize(columns, alt.getNullCell());
}

function cellOf(cell) {
  const flags = [
    cell.isBold(), cell.isDim(), cell.isItalic(), cell.isBlink(), cell.isInverse(), cell.isInvisible(),
    cell.isStrikethrough(), cell.isOverline(), cell.isUnderline(),
  ].map((flag) => (flag ? "1" : "0")).join("");
  const text = cell.getWidth() === 0 ? "" : cell.getChars() || " ";
  return [text, cell.getFgColorMode(), cell.getFgColor(), cell.getBgColorMode(), cell.getBgColor(), flags].join("|");
}

function seen(terminal) {
  const buffer = terminal.buffer.active;
  const rows = [];
  for (let y = 0; y < terminal.rows; y++) {
    const line = buffer.getLine(buffer.baseY + y);
    const row = [];
    for (let x = 0; x < terminal.cols; x++) row.push(cellOf(line.getCell(x)));
    rows.push(row);
  }
  const modes = terminal.modes;
  return { kind: buffer.type, cursor: [buffer.cursorX, buffer.cursorY], modes, rows };
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  const terminal = terminals.get(order.id);
  if (order.columns && !terminal) terminals.set(order.id, made(order.columns, order.lines));
  else if (order.columns) resize(terminal, order.columns, order.lines);
  else if (order.data) terminal.write(Buffer.from(order.data, "base64"));
  else if (order.gone) terminals.delete(order.id);
  else terminal.write("", () => process.stdout.write(JSON.stringify(seen(terminal)) + "\n"));
});
