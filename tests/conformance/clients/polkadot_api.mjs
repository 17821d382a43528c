// @polkadot/api against a live node: argv[2] is its WebSocket address. Prints what it saw as JSON.
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { Metadata, TypeRegistry } from '@polkadot/types';
import { refusal, report } from './report.mjs';

const seen = {};
await cryptoWaitReady();
const provider = new WsProvider(process.argv[2]);
const api = await ApiPromise.create({ provider, noInitWarn: true });
const keyring = new Keyring({ type: 'sr25519', ss58Format: api.registry.chainSS58 });
const alice = keyring.addFromUri('//Alice');
const bob = keyring.addFromUri('//Bob');
const unit = 10n ** 18n;

seen.chain = (await api.rpc.system.chain()).toString();
seen.ss58 = api.registry.chainSS58;
seen.token = api.registry.chainTokens[0];
seen.spec = api.runtimeVersion.specVersion.toNumber();
seen.deposit = api.consts.balances.existentialDeposit.toString();
seen.pallets = api.runtimeMetadata.asLatest.pallets.map((pallet) => pallet.name.toString());
seen.apis = Object.keys(api.call).sort();

const account = await api.query.system.account(bob.address);
seen.bobIsRich = account.data.free.toBigInt() > 0n;
const accounts = await api.query.system.account.entriesPaged({ args: [], pageSize: 20 });
seen.accounts = accounts.length;
seen.multi = (await api.query.system.account.multi([alice.address, bob.address])).length;
seen.nonceByCall = (await api.call.accountNonceApi.accountNonce(bob.address)).toString();
seen.ownApi = (await api.call.minersApi.miner(bob.address)).isNone;

const transfer = (value) => api.tx.balances.transferKeepAlive(bob.address, value);
const fee = await transfer(unit).paymentInfo(alice.address);
seen.fee = fee.partialFee.toBigInt() > 0n;
seen.class = fee.class.toString();

const watch = (tx, signer, options) =>
  new Promise((resolve, reject) => {
    const statuses = [];
    tx.signAndSend(signer, options ?? {}, (result) => {
      statuses.push(result.status.type);
      if (result.isFinalized) {
        resolve({ statuses, events: result.events.map(({ event }) => event.section + '.' + event.method) });
      } else if (result.isError) {
        reject(new Error(result.status.type));
      }
    }).catch(reject);
  });

const before = (await api.query.system.account(bob.address)).data.free.toBigInt();
const done = await watch(transfer(unit), alice);
seen.statuses = done.statuses;
seen.events = done.events;
const after = (await api.query.system.account(bob.address)).data.free.toBigInt();
seen.moved = (after - before).toString();
seen.failed = (await watch(api.tx.sminer.receiveReward(), alice)).events;
seen.stale = await refusal(() => transfer(1n).signAndSend(alice, { nonce: 0 }));
const forged = await transfer(2n).signAsync(alice, { nonce: -1 });
const raw = forged.toU8a();
raw[60] ^= 1;
seen.forged = await refusal(() => api.rpc.author.submitExtrinsic('0x' + Buffer.from(raw).toString('hex')));

seen.subscription = await new Promise((resolve) => {
  const frees = [];
  api.query.system.account(bob.address, (found) => {
    frees.push(found.data.free.toBigInt());
    if (frees.length === 1) {
      transfer(unit).signAndSend(alice);
    } else {
      resolve((frees[1] - frees[0]).toString());
    }
  });
});
seen.heads = await new Promise((resolve) => {
  const numbers = [];
  api.rpc.chain.subscribeFinalizedHeads((header) => {
    numbers.push(header.number.toNumber());
    if (numbers.length === 3) resolve(numbers);
  });
});

const versions = (await api.call.metadata.metadataVersions()).map((version) => version.toNumber());
seen.metadata = [];
for (const version of versions) {
  const opaque = (await api.call.metadata.metadataAtVersion(version)).unwrap();
  const bytes = opaque.toU8a(true);
  const decoded = new Metadata(new TypeRegistry(), bytes);
  const again = decoded.toHex();
  const given = '0x' + Buffer.from(opaque.toU8a().subarray(opaque.encodedLength - opaque.length)).toString('hex');
  seen.metadata.push({ version, equal: again === given });
}

report(seen);
