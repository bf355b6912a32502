// Feeds a file to @xterm/headless and prints its cells as JSON. Arguments: file, columns, lines.
// Needs the npm packages @xterm/headless and @xterm/addon-unicode11, found through NODE_PATH.
const { readFileSync } = require("fs");
const { Terminal } = require("@xterm/headless");
const { Unicode11Addon } = require("@xterm/addon-unicode11");

const [file, columns, lines] = process.argv.slice(2);
const terminal = new Terminal({ cols: +columns, rows: +lines, scrollback: 0, allowProposedApi: true });
terminal.loadAddon(new Unicode11Addon());
terminal.unicode.activeVersion = "11";

// Colours as in omnyshell/terminal/style.py.
function colour(isDefault, isRgb, mode, value) {
  if (isDefault) return -1;
  if (isRgb) return 0x1000000 + value;
  return mode === 0x1000000 ? value : 256 + value;
}

function cellOf(cell) {
  const flags =
    (cell.isBold() ? 1 : 0) | (cell.isDim() ? 2 : 0) | (cell.isItalic() ? 4 : 0) | (cell.isBlink() ? 8 : 0) |
    (cell.isInverse() ? 16 : 0) | (cell.isInvisible() ? 32 : 0) | (cell.isStrikethrough() ? 64 : 0) |
    (cell.isOverline() ? 128 : 0);
  const text = cell.getWidth() === 0 ? "" : cell.getChars() || " ";
  return [
    text,
    colour(cell.isFgDefault(), cell.isFgRGB(), cell.getFgColorMode(), cell.getFgColor()),
    colour(cell.isBgDefault(), cell.isBgRGB(), cell.getBgColorMode(), cell.getBgColor()),
    flags,
    cell.isUnderline() ? 1 : 0,
  ];
}

terminal.write(readFileSync(file), () => {
  const buffer = terminal.buffer.active;
  const rows = [];
  for (let y = 0; y < +lines; y++) {
    const line = buffer.getLine(buffer.baseY + y);
    const row = [];
    for (let x = 0; x < +columns; x++) row.push(cellOf(line.getCell(x)));
    rows.push(row);
  }
  process.stdout.write(JSON.stringify({ cursor: [buffer.cursorX, buffer.cursorY], rows }));
});
