import { cpus, networkInterfaces } from 'node:os';

export default {
  fetch() {
    new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)));
    const child = Bun.spawnSync(['true']).success;
    return new Response(`jit=true child=${child} cpus=${cpus().length > 0} interfaces=${Object.keys(networkInterfaces()).join()}`);
  },
};
