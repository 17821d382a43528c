// smoldot with no network: argv[2] is a raw chain spec. Prints what it makes of it.
import { readFileSync } from 'node:fs';
import { start } from 'smoldot';
import { report } from './report.mjs';

const log = [];
const client = start({ maxLogLevel: 3, logCallback: (level, target, text) => log.push([level, target, text]) });
const chain = await client.addChain({ chainSpec: readFileSync(process.argv[2], 'utf8') });
const ask = async (method, params = []) => {
  chain.sendJsonRpc(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  const answer = JSON.parse(await chain.nextJsonRpcResponse());
  if (answer.error) throw new Error(JSON.stringify(answer.error));
  return answer.result;
};
const seen = {
  genesis: await ask('chainSpec_v1_genesisHash'),
  name: await ask('chainSpec_v1_chainName'),
  properties: await ask('chainSpec_v1_properties'),
  log,
};
await client.terminate();
report(seen);
