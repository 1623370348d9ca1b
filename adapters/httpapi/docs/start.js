'use strict';

// The page may charge only the sandbox. With a real gateway it only reads.
const charge = document.getElementById('swagger-ui').dataset.charge === 'true';

SwaggerUIBundle({
  url: 'openapi.yaml',
  dom_id: '#swagger-ui',
  deepLinking: true,
  validatorUrl: null, // do not send the document to another host
  supportedSubmitMethods: charge ? ['get', 'post'] : ['get'],
});
