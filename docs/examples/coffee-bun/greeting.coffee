{ WORKER_ID = '?', APP_NAME = '?' } = process.env

export greeting = (id) -> "CoffeeScript in worker #{WORKER_ID} of #{APP_NAME}, request #{id}\n"
