import { Database } from 'bun:sqlite';
import { asc, eq } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/bun-sqlite';
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core';

const firms = sqliteTable('firms', {
  id: integer('id').primaryKey(),
  name: text('name').notNull(),
  city: text('city').notNull(),
  lawyers: integer('lawyers').notNull(),
});

// Each worker has a data base of its own, in memory. None of these firms exists.
const sqlite = new Database(':memory:');
sqlite.run('CREATE TABLE firms (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL, lawyers INTEGER NOT NULL)');
const db = drizzle(sqlite);
db.insert(firms)
  .values([
    { name: 'Adler & Birnbaum', city: 'Denver', lawyers: 12 },
    { name: 'Castellan Drake', city: 'Boston', lawyers: 85 },
    { name: 'Everhart Fenn', city: 'Denver', lawyers: 4 },
    { name: 'Gray, Holloway & Ives', city: 'Austin', lawyers: 31 },
    { name: 'Jasper Kinsley', city: 'Boston', lawyers: 7 },
  ])
  .run();

export function lawFirms(limit: number, city?: string) {
  return db
    .select()
    .from(firms)
    .where(city ? eq(firms.city, city) : undefined)
    .orderBy(asc(firms.name))
    .limit(limit)
    .all();
}
