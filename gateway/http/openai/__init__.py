"""OpenAI's API: pictures, speech, embeddings and models, as its clients ask for them."""
