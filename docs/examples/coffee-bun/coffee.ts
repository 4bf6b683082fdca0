import { plugin } from 'bun';
import CoffeeScript from 'coffeescript';

plugin({
  name: 'CoffeeScript',
  setup(build) {
    build.onLoad({ filter: /\.coffee$/ }, async ({ path }) => ({
      contents: CoffeeScript.compile(await Bun.file(path).text(), { bare: true, filename: path }),
      loader: 'js',
    }));
  },
});
