// polkadot-api (PAPI) on npm's smoldot: argv[2] is a raw chain spec, argv[3] "submit" lets it send
// a transfer through its peers. Prints what it saw as JSON.
import { readFileSync } from 'node:fs';
import { start } from 'smoldot';
import { Enum, createClient } from 'polkadot-api';
import { getSmProvider } from 'polkadot-api/sm-provider';
import { getPolkadotSigner } from 'polkadot-api/signer';
import { Keyring } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { refusal, report } from './report.mjs';

const seen = {};
await cryptoWaitReady();
const keyring = new Keyring({ type: 'sr25519', ss58Format: 11330 });
const alice = keyring.addFromUri('//Alice');
const bob = keyring.addFromUri('//Bob');
const charlie = keyring.addFromUri('//Charlie');
const signerOf = (pair) => getPolkadotSigner(pair.publicKey, 'Sr25519', (data) => pair.sign(data));
const unit = 10n ** 18n;

const light = start({ maxLogLevel: 2, logCallback: () => {} });
const begun = Date.now();
const client = createClient(
  getSmProvider(() => light.addChain({ chainSpec: readFileSync(process.argv[2], 'utf8') })),
);
const api = client.getUnsafeApi();
const block = await client.getFinalizedBlock();
seen.readyMs = Date.now() - begun;
seen.block = { hash: block.hash, number: block.number };
seen.name = (await client.getChainSpecData()).name;
seen.deposit = (await api.constants.Balances.ExistentialDeposit()).toString();
const at = block.hash;
seen.free = (await api.query.System.Account.getValue(bob.address, { at })).data.free.toString();
seen.accounts = (await api.query.System.Account.getEntries({ at })).length;
seen.nonce = await api.apis.AccountNonceApi.account_nonce(bob.address);
seen.versions = await api.apis.Metadata.metadata_versions();

const transfer = (value) =>
  api.tx.Balances.transfer_keep_alive({ dest: Enum('Id', charlie.address), value });
seen.fee = (await transfer(unit).getEstimatedFees(bob.address)).toString();
async function submit() {
  const before = (await api.query.System.Account.getValue(charlie.address)).data.free;
  const statuses = [];
  const done = await new Promise((resolve, reject) => {
    // A block that is final at once is gone before smoldot has checked the transaction on it: it
    // tries the next one.
    const options = { mortality: { mortal: true, period: 256 } };
    transfer(unit).signSubmitAndWatch(signerOf(bob), options).subscribe({
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
  seen.included = done.block;
  const after = (await api.query.System.Account.getValue(charlie.address)).data.free;
  seen.moved = (after - before).toString();
}

if (process.argv[3] === 'submit') await submit();
seen.stale = await refusal(() => transfer(1n).signAndSubmit(signerOf(alice), { nonce: 0 }));
const liar = getPolkadotSigner(bob.publicKey, 'Sr25519', (data) => charlie.sign(data));
seen.forged = await refusal(() => transfer(2n).signAndSubmit(liar));
seen.finalized = await new Promise((resolve) => {
  const numbers = [];
  const subscription = client.finalizedBlock$.subscribe((found) => {
    numbers.push(found.number);
    if (numbers.length === 3) {
      subscription.unsubscribe();
      resolve(numbers);
    }
  });
});
report(seen);
