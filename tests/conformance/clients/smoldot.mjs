// smoldot over the peer-to-peer network: argv[2] is a raw chain spec, argv[3] an account's storage
// key in hex, argv[4] an account in hex, argv[5] how many final blocks to wait for, argv[6] for how many
// milliseconds at most. Prints what it saw as JSON, with milliseconds from the moment it was given the chain.
import { readFileSync } from 'node:fs';
import { start } from 'smoldot';
import { report } from './report.mjs';

const [, , specPath, storageKey, account, finals, patience = '60000'] = process.argv;
const log = [];
const client = start({ maxLogLevel: 4, logCallback: (level, target, text) => log.push(`${target} ${text}`) });
const LONG_MS = 120_000;
const begun = Date.now();
const chain = await client.addChain({ chainSpec: readFileSync(specPath, 'utf8') });
const waiting = new Map();
const listeners = [];
let last = 0;
const ask = (method, params = []) => {
  const id = ++last;
  chain.sendJsonRpc(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
};
const events = [];
let wake = () => {};
const pump = async () => {
  for (;;) {
    let text;
    try {
      text = await chain.nextJsonRpcResponse();
    } catch {
      return;
    }
    const message = JSON.parse(text);
    if (message.id === undefined) {
      events.push({ at: Date.now() - begun, ...message.params.result });
      wake();
    } else if (message.error) waiting.get(message.id).reject(new Error(JSON.stringify(message.error)));
    else waiting.get(message.id).resolve(message.result);
  }
};
pump();
const until = async (find) => {
  for (;;) {
    const found = events.find(find);
    if (found) return found;
    await new Promise((resolve) => { wake = resolve; });
  }
};
const follow = await ask('chainHead_v1_follow', [true]);
const failures = () =>
  log.filter((line) => /verify-(error|failure)|proof-error|request-(error|failure)/.test(line));
const isRefused = () => log.some((line) => /verify-(error|failure)|proof-error/.test(line));
// The time is over. Who does not wait long expects a refusal, and hears of it however slow the machine is.
const over = async () => {
  await new Promise((resolve) => setTimeout(resolve, Number(patience)));
  for (let waited = Number(patience); waited < LONG_MS && !isRefused(); waited += 500)
    await new Promise((resolve) => setTimeout(resolve, 500));
};
const within = (promise) => Promise.race([promise, over()]);
const initialized = await within(until((event) => event.event === 'initialized'));
if (!initialized) {
  report({ finals: [], news: [], failures: failures() });
  await new Promise(() => {});
}
const first = initialized.finalizedBlockHashes.at(-1);
const seen = { syncedMs: initialized.at, hash: first, runtime: initialized.finalizedBlockRuntime };
seen.genesis = await ask('chainSpec_v1_genesisHash');
seen.header = await ask('chainHead_v1_header', [follow, first]);

const operation = async (method, ...params) => {
  const { operationId } = await ask(method, [follow, first, ...params]);
  const end = await until(
    (event) => event.operationId === operationId && event.event !== 'operationStorageItems',
  );
  return { end, items: events.filter((event) => event.operationId === operationId && event.items) };
};
const stored = await operation('chainHead_v1_storage', [{ key: storageKey, type: 'value' }], null);
seen.storage = stored.items[0]?.items[0]?.value ?? null;
seen.storageEnd = stored.end.event;
seen.calls = {};
for (const [name, parameters] of [
  ['AccountNonceApi_account_nonce', account],
  ['BabeApi_configuration', '0x'],
  ['BabeApi_current_epoch', '0x'],
  ['BabeApi_next_epoch', '0x'],
  ['GrandpaApi_grandpa_authorities', '0x'],
  ['GrandpaApi_current_set_id', '0x'],
  ['Core_version', '0x'],
]) {
  const { end } = await operation('chainHead_v1_call', name, parameters);
  seen.calls[name] = end.output ?? end;
}

// Best and final blocks as they come.
const enough = () =>
  events.filter((event) => event.event === 'finalized').flatMap((event) => event.finalizedBlockHashes);
await within(until(() => enough().length >= Number(finals)));
seen.finals = enough();
seen.news = events.filter((event) => event.event === 'newBlock').map((event) => event.blockHash);
seen.upgrades = events
  .filter((event) => event.newRuntime)
  .map((event) => ({ hash: event.blockHash, version: event.newRuntime.spec?.specVersion }));
seen.warp = log.filter((line) => /warp sync finished|warp-sync-fragment-verify-success/i.test(line)).length;
seen.failures = failures();
seen.log = log.filter((line) => / (starting at|mode-decision)/.test(line));
await client.terminate();
report(seen);
