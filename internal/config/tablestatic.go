package config

// staticSettings are the rows of [static].
var staticSettings = []setting{
	{
		key: "static.root", def: `""`, kind: kindText, sample: `"public"`,
		field: func(c *Config) any { return &c.Static.Root },
		doc: "The folder whose files ripd serves by itself, without a worker. A relative path starts at the app's folder. A GET or HEAD whose path names a file below it is answered with the file; everything else goes to the app. " +
			"Without it the app gets all requests. See [Static files](static-files.md).",
	},
	{
		key: "static.index", def: `"index.html"`, kind: kindText,
		field: func(c *Config) any { return &c.Static.Index },
		doc:   "The file that is served for a path that ends in a slash, where its folder has such a file. `\"\"` is none.",
	},
	{
		key: "static.precompressed", def: `true`, kind: kindBool,
		field: func(c *Config) any { return &c.Static.Precompressed },
		doc:   "Whether `app.css.br`, `app.css.zst` or `app.css.gz` beside `app.css` is served in its stead to clients that take it.",
	},
	{
		key: "static.cache_control", def: `"no-cache"`, kind: kindText, sample: `"public, max-age=600"`,
		field: func(c *Config) any { return &c.Static.CacheControl },
		doc: "The value of `Cache-Control` of files that ripd serves. `no-cache` has clients ask whether what they have is still good, which costs an answer without a body. " +
			"In the reload modes `process` and `module` it is `no-cache` for all files.",
	},
	{
		key: "static.immutable", def: `[]`, kind: kindTexts, sample: `["/assets/"]`,
		field: func(c *Config) any { return &c.Static.Immutable },
		doc: "How the paths begin of files that never change under one name, because it has a digest of what is in them: `[\"/assets/\"]` for Rails and Vite. " +
			"Their `Cache-Control` is `public, max-age=31536000, immutable`: clients do not ask again for a year.",
	},
	{
		key: "static.links", def: `[]`, kind: kindTexts, sample: `["/srv/shop/shared"]`,
		field: func(c *Config) any { return &c.Static.Links },
		doc:   "Folders to which symbolic links below `root` may lead. A link that leads elsewhere out of `root` is not followed, and its path is the app's.",
	},
	{
		key: "static.sendfile", def: `[]`, kind: kindTexts, sample: `["/srv/shop/storage"]`,
		field: func(c *Config) any { return &c.Static.Sendfile },
		doc: "Folders from which the app may have ripd send files: it answers with `X-Sendfile`, the absolute path of a file in one of them, and no body. Relative paths start at the app's folder. " +
			"See [Files that the app names](static-files.md#files-that-the-app-names).",
	},
	{
		key: "static.accel", def: `{}`, kind: kindAccel, sample: `{ "/protected/" = "/srv/shop/storage" }`, noVar: true,
		field: func(c *Config) any { return &c.Static.Accel },
		doc:   "The same for `X-Accel-Redirect`, in which the app names a path: how such paths begin and end with a slash, and the folders that they stand for.",
	},
}
