// dedot against a live node: argv[2] is its WebSocket address, argv[3] "legacy" for its old client.
// Prints what it saw as JSON.
import { DedotClient, LegacyClient, WsProvider } from 'dedot';
import { Keyring } from '@polkadot/api';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { refusal, report } from './report.mjs';

const seen = {};
await cryptoWaitReady();
const keyring = new Keyring({ type: 'sr25519', ss58Format: 11330 });
const charlie = keyring.addFromUri('//Charlie');
const dave = keyring.addFromUri('//Dave');
const unit = 10n ** 18n;

const Client = process.argv[3] === 'legacy' ? LegacyClient : DedotClient;
const client = await Client.new(new WsProvider(process.argv[2]));
seen.spec = client.runtimeVersion.specVersion;
seen.deposit = client.consts.balances.existentialDeposit.toString();
seen.isRich = (await client.query.system.account(dave.address)).data.free > 0n;
seen.accounts = (await client.query.system.account.entries()).length;
seen.nonce = await client.call.accountNonceApi.accountNonce(charlie.address);

const transfer = (value) => client.tx.balances.transferKeepAlive(dave.address, value);
seen.fee = (await transfer(unit).paymentInfo(charlie.address)).partialFee > 0n;
const before = (await client.query.system.account(dave.address)).data.free;
const statuses = [];
const done = await transfer(unit)
  .signAndSend(charlie, ({ status }) => statuses.push(status.type))
  .untilFinalized();
seen.statuses = statuses;
seen.events = done.events.map(({ event }) => event.pallet + '.' + (event.palletEvent.name ?? event.palletEvent));
seen.moved = ((await client.query.system.account(dave.address)).data.free - before).toString();
await transfer(1n).signAndSend(charlie).untilFinalized();
seen.stale = await refusal(() => transfer(2n).signAndSend(charlie, { nonce: 1 }));

report(seen);
