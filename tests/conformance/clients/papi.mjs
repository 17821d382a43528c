// polkadot-api (PAPI) against a live node: argv[2] is its WebSocket address, argv[3] "legacy" hides
// the new API from it. Prints what it saw as JSON.
import { Enum, createClient } from 'polkadot-api';
import { getWsProvider } from 'polkadot-api/ws';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { decAnyMetadata, metadata as metadataCodec } from '@polkadot-api/substrate-bindings';
import { Keyring } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { WebSocket } from 'ws';
import { refusal, report } from './report.mjs';

const seen = {};
await cryptoWaitReady();
const keyring = new Keyring({ type: 'sr25519', ss58Format: 11330 });
const bob = keyring.addFromUri('//Bob');
const charlie = keyring.addFromUri('//Charlie');
const signerOf = (pair) => getPolkadotSigner(pair.publicKey, 'Sr25519', (data) => pair.sign(data));
const unit = 10n ** 18n;

// A socket to a node whose rpc_methods lists no method of the new API.
class LegacySocket extends WebSocket {
  addEventListener(name, listener, options) {
    if (name !== 'message') return super.addEventListener(name, listener, options);
    const hide = (event) => {
      const answer = JSON.parse(event.data);
      if (!answer.result?.methods) return listener(event);
      answer.result.methods = answer.result.methods.filter((method) => !/_v\d+_/.test(method));
      return listener({ ...event, type: 'message', data: JSON.stringify(answer) });
    };
    return super.addEventListener(name, hide, options);
  }
}
const websocketClass = process.argv[3] === 'legacy' ? LegacySocket : WebSocket;
const client = createClient(getWsProvider(process.argv[2], { websocketClass }));
const api = client.getUnsafeApi();
const spec = await client.getChainSpecData();
seen.chain = spec.name;
seen.genesis = spec.genesisHash;
seen.token = spec.properties.tokenSymbol;
seen.deposit = (await api.constants.Balances.ExistentialDeposit()).toString();

const account = await api.query.System.Account.getValue(charlie.address);
seen.isRich = account.data.free > 0n;
seen.accounts = (await api.query.System.Account.getEntries()).length;
seen.nonce = await api.apis.AccountNonceApi.account_nonce(bob.address);
seen.ownApi = (await api.apis.MinersApi.miner(bob.address)) === undefined;

const transfer = (value) =>
  api.tx.Balances.transfer_keep_alive({ dest: Enum('Id', charlie.address), value });
seen.fee = (await transfer(unit).getEstimatedFees(bob.address)) > 0n;

const before = (await api.query.System.Account.getValue(charlie.address)).data.free;
const statuses = [];
const done = await new Promise((resolve, reject) => {
  transfer(unit).signSubmitAndWatch(signerOf(bob)).subscribe({
    next: (event) => {
      statuses.push(event.type);
      if (event.type === 'finalized') resolve(event);
    },
    error: reject,
  });
});
seen.statuses = statuses;
seen.ok = done.ok;
seen.events = done.events.map((event) => event.type + '.' + event.value.type);
const after = (await api.query.System.Account.getValue(charlie.address)).data.free;
seen.moved = (after - before).toString();
const failed = await api.tx.Sminer.receive_reward().signAndSubmit(signerOf(bob));
seen.failed = failed.ok ? 'ok' : failed.dispatchError.type;
seen.stale = await refusal(() => transfer(1n).signAndSubmit(signerOf(bob), { nonce: 0 }));
const liar = getPolkadotSigner(bob.publicKey, 'Sr25519', (data) => charlie.sign(data));
seen.forged = await refusal(() => transfer(2n).signAndSubmit(liar));

seen.finalized = await new Promise((resolve) => {
  const numbers = [];
  const subscription = client.finalizedBlock$.subscribe((block) => {
    numbers.push(block.number);
    if (numbers.length === 3) {
      subscription.unsubscribe();
      resolve(numbers);
    }
  });
});

seen.metadata = [];
for (const version of await api.apis.Metadata.metadata_versions()) {
  const opaque = await api.apis.Metadata.metadata_at_version(version);
  const bytes = opaque.asBytes ? opaque.asBytes() : opaque;
  const decoded = decAnyMetadata(bytes);
  const again = metadataCodec.enc(decoded);
  seen.metadata.push({
    version,
    tag: decoded.metadata.tag,
    equal: Buffer.from(again).equals(Buffer.from(bytes)),
  });
}

report(seen);
