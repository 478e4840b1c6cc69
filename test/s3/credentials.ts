export const credentials = { accessKeyId: 'AKIATEST', secretAccessKey: 'secret/with+signs', sessionToken: 'session' }
export const bucket = 'test-bucket'
export const region = 'eu-test-1'
