// Feeds a file to @xterm/headless some times and prints the first and the best rate in MB/s, of the processor time of the
// thread that parses. Arguments: directory with node_modules, file, columns, lines, lines of history, rounds.
const { readFileSync } = require("fs");
const [directory, file, columns, lines, scrollback, rounds] = process.argv.slice(2);
const { Terminal } = require(require.resolve("@xterm/headless", { paths: [directory] }));

// Linux tells the time of this thread alone; elsewhere that of garbage collection in others is counted too.
function seconds() {
  try {
    return +readFileSync("/proc/thread-self/schedstat", "ascii").split(" ")[0] / 1e9;
  } catch {
    const used = process.cpuUsage();
    return (used.user + used.system) / 1e6;
  }
}

async function once(data) {
  const terminal = new Terminal({ cols: +columns, rows: +lines, scrollback: +scrollback, allowProposedApi: true });
  const begun = seconds();
  for (let at = 0; at < data.length; at += 65536) terminal.write(data.subarray(at, at + 65536));
  await new Promise((done) => terminal.write("", done));
  const rate = data.length / (seconds() - begun) / 1e6;
  terminal.dispose();
  return rate;
}

(async () => {
  const data = readFileSync(file);
  const first = await once(data);
  let best = first;
  for (let round = 1; round < +rounds; round++) best = Math.max(best, await once(data));
  process.stdout.write(`${first} ${best}`);
})();
