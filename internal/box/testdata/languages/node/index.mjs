import { execFileSync } from 'node:child_process';
import { cpus, networkInterfaces } from 'node:os';

export default {
  fetch() {
    // A module of 8 bytes with nothing in it: without a compiler there is no WebAssembly.
    new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)));
    const child = execFileSync('true').length === 0;
    return new Response(`jit=true child=${child} cpus=${cpus().length > 0} interfaces=${Object.keys(networkInterfaces()).join()}`);
  },
};
