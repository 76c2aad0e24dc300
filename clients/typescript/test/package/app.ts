// An app that has nothing but the package: it has its types, and it runs.
import { CallingState, RinglineClient, type Call } from 'ringline';
import { CallService } from 'ringline/v1';

const client = new RinglineClient({ baseUrl: 'http://127.0.0.1:1', user: 'myself' });
const call: Call = client.call('default', 'test');
const ringing: boolean = call.state.callingState === CallingState.RINGING;
await client.close();
console.log(`${CallService.typeName} in a package of its own: ${call.cid} ${ringing ? 'rings' : 'does not ring'}`);
